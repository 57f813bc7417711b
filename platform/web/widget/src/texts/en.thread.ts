/** The words of the conversation: messages, waiting card, composer. */

export const thread = {} as const;
