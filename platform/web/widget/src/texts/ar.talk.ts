/** All that a conversation says in Arabic: its words, and what happens in it by the names that the protocol has for that. */

import type { Catalog } from "@deskbell/ui/texts.ts";
import { thread } from "./ar.thread.ts";

export const events: Catalog = {
  event_keep_place: "طلبتُ من أحد الزملاء أن ينضمّ. تحتفظ بدورك حتى إن أغلقت هذه النافذة.",
  event_still_in_line: "تحتفظ بدورك في الانتظار. ينضمّ أحد الزملاء فور تفرّغه.",
  event_apology: "عذرًا، حدث خطأ لديّ. طلبتُ من أحد الزملاء أن ينضمّ.",
  event_agent_joined: "انضمّ {name} وقرأ المحادثة",
  event_case_transferred: "طلبتُ من الفريق المناسب أن ينضمّ.",
  event_case_returned: "طلبتُ من زميل آخر أن ينضمّ.",
  event_case_resolved: "أشار {name} إلى أن هذا قد حُلّ. كيف كانت تجربتك؟",
  event_case_merged: "يستمر هذا في محادثتك الأخرى",
  event_case_merged_here: "تستمر محادثتك الأخرى هنا",
  event_back_to_bot: "أعادك {name} إلى المساعد. يمكنك طلب شخص في أي وقت",
  event_nobody_free: "عذرًا، لا أحد متاح بعد. مكانك محفوظ، وحتى ذلك الحين يجيبك المساعد",
  event_left_queue: "لم تعد في انتظار زميل. يمكنك طلبه مجددًا في أي وقت",
  event_call_back: "يستغرق هذا أكثر مما قلت. ابقَ، أو اكتب عنوان بريدك هنا وسنجيبك عليه.",
  event_ended_by_visitor: "أنهيتَ هذه المحادثة. كيف كانت تجربتك؟",
  event_room_closed: "أُغلقت هذه المحادثة",
};

export const talk: Catalog = { ...thread, ...events };
