/** English words of thread and composer. Keys begin with `thread.`. */

export const thread = {};
