/** The words of the widget's shell: launcher, header, home, forms, rating, menu. */

export const shell = {
  launcher: "Chat",
  open: "Open chat",
  close: "Close",
  back: "Back",
  menu: "Menu",
  newChat: "Start a new chat",
} as const;
