/** What a site embeds with one line. The chat itself is fetched when somebody shows intent. */

/** Where the chat is, put in by the build. */
declare const CHAT_FILE: string;

const own = document.currentScript as HTMLScriptElement;
export const chatUrl = new URL(CHAT_FILE, own.src).href;
