/** English words of the context pane and the screens. Keys begin with `screens.`. */

export const screens = {};
