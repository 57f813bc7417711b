/** What a list is called. */

import type { Desk } from "../desk.ts";
import type { ListName } from "../records.ts";
import { t } from "../words.ts";

export function nameOfList(desk: Desk, list: ListName): string {
  if (list.startsWith("team:")) return desk.teams.value.find(({ slug }) => slug === list.slice(5))?.name ?? list.slice(5);
  if (list.startsWith("view:")) return desk.views.value.find(({ id }) => id === list.slice(5))?.name ?? t("views.gone");
  return t(`list.${list as "mine"}`);
}
