/** The conversation's words in Arabic. */

import type { Catalog } from "@deskbell/ui/texts.ts";

export const thread: Catalog = {
  conversation: "المحادثة",
  log: "الرسائل",
  loadingEarlier: "جارٍ تحميل الرسائل السابقة",
  newSince: { one: "رسالة جديدة", two: "رسالتان جديدتان", few: "{n} رسائل جديدة", other: "{n} رسالة جديدة" },
  announced: "{name}: {text}",

  speakerYou: "أنت",
  speakerBot: "المساعد",
  saidBy: "{name}، {time}",
  edited: "معدّلة",
  gone: "حُذفت هذه الرسالة",
  goneMine: "حذفتَ هذه الرسالة",
  notShown: "لا يمكن عرض هذا هنا",
  eventJoined: "انضمّ {name} وقرأ المحادثة",
  eventTransferred: "طلبتُ من الفريق المناسب أن ينضمّ.",
  eventReturned: "طلبتُ من زميل آخر أن ينضمّ.",
  eventSolved: "أشار {name} إلى أن هذا قد حُلّ. كيف كانت تجربتك؟",
  eventMoved: "يستمر هذا في محادثتك الأخرى",
  eventMerged: "تستمر محادثتك الأخرى هنا",
  eventBack: "أعادك {name} إلى المساعد. يمكنك طلب شخص في أي وقت",
  eventNobodyFree: "عذرًا، لا أحد متاح بعد. مكانك محفوظ، وحتى ذلك الحين يجيبك المساعد",
  eventLeft: "لم تعد في انتظار زميل. يمكنك طلبه مجددًا في أي وقت",
  eventLong: "يستغرق هذا أكثر مما قلت. ابقَ، أو اترك عنوانك وسنكتب إليك.",
  eventEnded: "أنهيتَ هذه المحادثة. كيف كانت تجربتك؟",
  eventClosed: "أُغلقت هذه المحادثة",

  stateSending: "جارٍ الإرسال",
  stateSent: "أُرسلت",
  stateDelivered: "وصلت",
  stateSeen: "قُرئت",
  stateOffline: "تُرسل عند عودة الاتصال",
  stateWaiting: "في الانتظار",
  stateHeld: "في انتظار المراجعة",
  notSentYet: "رسالتك، لم تُرسل بعد",
  hide: "إخفاء",
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
