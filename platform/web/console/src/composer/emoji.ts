/** Emoji by the words people look for them with: enough for a kind answer, not a catalog. */

export const EMOJI: readonly (readonly [emoji: string, ...words: string[]])[] = [
  ["🙂", "smile", "slight_smile"], ["😀", "grin", "happy"], ["😊", "blush", "pleased"], ["😉", "wink"], ["😅", "sweat_smile", "phew"],
  ["😂", "joy", "laugh"], ["😍", "heart_eyes", "love"], ["🤔", "thinking", "hmm"], ["😐", "neutral"], ["😕", "confused"],
  ["😢", "cry", "sad"], ["😬", "grimace"], ["😮", "surprised", "oh"], ["🙈", "see_no_evil"], ["👍", "thumbsup", "yes", "+1"],
  ["👎", "thumbsdown", "no", "-1"], ["👌", "ok_hand"], ["🙏", "pray", "thanks", "please"], ["👋", "wave", "hello", "bye"], ["🤝", "handshake", "deal"],
  ["👏", "clap"], ["💪", "muscle", "strong"], ["❤️", "heart"], ["💛", "yellow_heart"], ["🎉", "tada", "party"], ["✨", "sparkles"],
  ["⭐", "star"], ["🔥", "fire"], ["✅", "check", "done"], ["❌", "cross", "no_entry"], ["⚠️", "warning"], ["❓", "question"],
  ["💡", "bulb", "idea"], ["👀", "eyes", "look"], ["⏰", "alarm", "time"], ["📦", "package", "parcel"], ["🚚", "truck", "delivery"], ["📧", "email", "mail"],
  ["📞", "phone", "call"], ["💳", "card", "payment"], ["💶", "euro", "money"], ["🧾", "receipt", "invoice"], ["🔧", "wrench", "repair"], ["🛋️", "sofa"],
  ["🎁", "gift", "present"], ["☀️", "sun"], ["☕", "coffee"], ["🌱", "seedling", "plant"],
];
