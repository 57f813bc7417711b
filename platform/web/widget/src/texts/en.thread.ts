/** The words of the conversation: messages and composer. */

export const thread = {
  conversation: "Conversation",
  log: "Messages",
  loadingEarlier: "Loading earlier messages",
  newSince: { one: "{n} new message", other: "{n} new messages" },

  speakerYou: "You",
  speakerBot: "Assistant",
  saidBy: "{name}, {time}",
  edited: "Edited",
  gone: "This message was deleted",
  goneMine: "You deleted this message",
  notShown: "This can't be shown here",

  stateSending: "Sending",
  stateSent: "Sent",
  stateDelivered: "Delivered",
  stateSeen: "Seen",
  stateOffline: "Sends when you're back online",
  stateSoon: "Sends in a moment",
  notSentYet: "Your message, not sent yet",
  slowDown: "One moment, that was a lot at once",

  emoji: "Emoji",

  write: "Write a message",
  writeTo: "Write to {name}",
  writeWaiting: "Add something for them to read",
  writeOffline: "Keep writing, nothing is lost",
  send: "Send",
  save: "Save",
  charsLeft: "{n} left",
  tooLong: "{n} too many",
} as const;
