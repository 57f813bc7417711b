/** What a visitor is called: by their name, else by a number that stays theirs, so that two of them are told apart. */

import type { PublicUser } from "@deskbell/client";
import { t } from "./words.ts";

/** What the server writes for those who have not said their name. */
const UNNAMED = new Set(["", "Visitor"]);
const NUMBERS = 10_000;

type Somebody = Pick<PublicUser, "id" | "name"> & Partial<Pick<PublicUser, "kind">>;

export function nameOfUser({ id, name, kind = "visitor" }: Somebody): string {
  if (kind !== "visitor" || !UNNAMED.has(name.trim())) return name || t("screens.unnamed");
  let number = 0;
  for (const letter of id) number = (number * 31 + letter.charCodeAt(0)) % NUMBERS;
  return t("list.nameless", { id: String(number).padStart(4, "0") });
}

/** The same person, under the name they are called by here. */
export function called<User extends Somebody>(user: User | undefined): User | undefined {
  return user && { ...user, name: nameOfUser(user) };
}
