/** Arabic words of the context pane and the screens. */

export const screens = {};
