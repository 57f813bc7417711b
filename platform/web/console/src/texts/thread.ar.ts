/** Arabic words of thread and composer. */

export const thread = {};
