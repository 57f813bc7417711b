import { expect, test } from "vitest";
import { Client, MemoryShelf } from "../src/index.ts";

test("a user is known where an earlier page has left their login", () => {
  const shelf = new MemoryShelf();
  const client = new Client("https://desk.example", { siteKey: "shop" }, { shelf });
  expect(client.known).toBe(false);
  shelf.set("refresh", "a token");
  expect(client.known).toBe(true);
});
