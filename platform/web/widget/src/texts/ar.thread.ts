/** The conversation's words in Arabic. */

import type { Catalog } from "@deskbell/ui/texts.ts";

export const thread: Catalog = {
  conversation: "المحادثة",
  log: "الرسائل",
  loadingEarlier: "جارٍ تحميل الرسائل السابقة",
  newSince: { one: "رسالة جديدة", two: "رسالتان جديدتان", few: "{n} رسائل جديدة", other: "{n} رسالة جديدة" },

  speakerYou: "أنت",
  speakerBot: "المساعد",
  saidBy: "{name}، {time}",
  edited: "معدّلة",
  gone: "حُذفت هذه الرسالة",
  goneMine: "حذفتَ هذه الرسالة",
  notShown: "لا يمكن عرض هذا هنا",

  stateSending: "جارٍ الإرسال",
  stateSent: "أُرسلت",
  stateDelivered: "وصلت",
  stateSeen: "قُرئت",
  stateOffline: "تُرسل عند عودة الاتصال",
  stateSoon: "تُرسل بعد لحظات",
  notSentYet: "رسالتك، لم تُرسل بعد",
  slowDown: "لحظة من فضلك، كان ذلك كثيرًا دفعة واحدة",

  emoji: "رموز تعبيرية",

  write: "اكتب رسالة",
  writeTo: "اكتب إلى {name}",
  writeWaiting: "أضف ما تريد أن يقرأه الزميل",
  writeOffline: "واصل الكتابة، لن يضيع شيء",
  send: "إرسال",
  save: "حفظ",
  charsLeft: "بقي {n}",
  tooLong: "زيادة بمقدار {n}",
};
