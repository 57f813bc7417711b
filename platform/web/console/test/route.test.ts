import { expect, test } from "vitest";
import { fuzzy } from "../src/menu/fuzzy.ts";
import { addressOf, type Place, placeOf } from "../src/route.ts";

test("an address brings one back to the same place", () => {
  const places: Place[] = [
    { screen: "inbox", list: "mine" },
    { screen: "inbox", list: "team:ställe & mehr", room: "0190" },
    { screen: "inbox", list: "view:0191", room: "0190", message: "m/1" },
    { screen: "search", q: "azure lamp?" },
    { screen: "board" },
    { screen: "settings", tab: "saved & all" },
  ];
  for (const place of places) {
    const url = new URL(addressOf(place), "http://desk");
    expect(placeOf(url.pathname, url.search)).toEqual(place);
  }
});

test("no address is a dead end", () => {
  for (const path of ["/console", "/console/", "/console/nowhere", "/console/inbox/nothing", "/console/inbox/%zz"]) {
    expect(placeOf(path)).toEqual({ screen: "inbox", list: "mine" });
  }
});

test("a few letters find a title, best where its words begin", () => {
  const titles = ["Return to queue", "Assign to…", "Send back to assistant", "Priority…"];
  const best = (query: string) =>
    titles
      .flatMap((title) => ({ title, score: fuzzy(query, title)?.score ?? -1 }))
      .filter(({ score }) => score >= 0)
      .sort((one, other) => other.score - one.score)
      .map(({ title }) => title);
  expect(best("as")).toEqual(["Assign to…", "Send back to assistant"]);
  expect(best("rq")).toEqual(["Return to queue"]);
  expect(best("xyz")).toEqual([]);
  expect(fuzzy("äss", "Assign")).toBeDefined();
  expect(fuzzy("ch", "Anna Chastain")?.marks).toEqual([[5, 7]]);
});
