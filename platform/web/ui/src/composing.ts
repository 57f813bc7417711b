/** Whether a key belongs to an input method that is building a word: Enter takes the word then, and sends nothing. */
export function isComposing(event: KeyboardEvent): boolean {
  // Safari says that composing is over before it tells of the Enter that ended it.
  // eslint-disable-next-line @typescript-eslint/no-deprecated
  return event.isComposing || event.keyCode === 229;
}
