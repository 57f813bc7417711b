import { expect, test } from "vitest";
import { initials, pictureOf } from "../src/face.tsx";
import { faultsOf } from "../src/fields.tsx";
import { themeOf } from "../src/dress.ts";
import { claimsOf } from "../src/prechat.tsx";
import { siteFrom } from "../src/site.ts";
import { languageFor } from "../src/speech.ts";

test("a site that tells nothing, or nonsense, still opens", () => {
  for (const told of [undefined, null, 7, "site", [], { theme: 3, prechat: "x", people: {}, wait_s: ["1", 2], launcher: null }]) {
    expect(siteFrom(told)).toMatchObject({ name: "", choice: true, open: true, people: [], wait_s: null, launcher: { side: "right", label: "" } });
  }
});

test("a field that is none is left out, and an unknown kind is a line of text", () => {
  const { prechat } = siteFrom({ prechat: { fields: [{ label: "no name" }, { name: "phone", label: "Phone", kind: "phone" }], consent: "" } });
  expect(prechat).toEqual({ fields: [{ name: "phone", label: "Phone", kind: "text", options: [], required: false }], consent: null });
});

test("what is wrong with an answer is said of that answer", () => {
  const field = { label: "", options: [], required: true };
  const fields = [{ ...field, name: "name", kind: "text" as const }, { ...field, name: "mail", kind: "email" as const, required: false }];
  expect(faultsOf(fields, { name: "  ", mail: "maya@lindholm" })).toEqual({ name: "needed", mail: "emailIncomplete" });
  expect(faultsOf(fields, { name: "Maya", mail: "" })).toEqual({});
  expect(faultsOf(fields, { name: "Maya", mail: "maya@lindholm.example" })).toEqual({});
});

test("name and address are said of the visitor, the rest are attributes", () => {
  expect(claimsOf({ name: " Maya ", email: "m@x.example", topic: "Returns", empty: " " })).toEqual({
    name: "Maya", email: "m@x.example", attributes: { topic: "Returns" },
  });
  expect(claimsOf({})).toEqual({});
});

test("the visitor's choice of light and dark comes first, then the page's word, then how the page looks", () => {
  expect(themeOf("dark", "light", "light", false)).toBe("dark");
  expect(themeOf("system", "light", "light", true)).toBe("dark");
  expect(themeOf("page", "dark", "light", false)).toBe("dark");
  expect(themeOf("page", "auto", "light dark", true)).toBe("dark");
  expect(themeOf("page", "auto", "dark", false)).toBe("dark");
  expect(themeOf("page", "auto", "normal", true)).toBe("light");
});

test("the first wish that is spoken and offered is taken", () => {
  expect(languageFor([undefined, "ar-EG", "en"], ["en", "ar"])).toBe("ar");
  expect(languageFor(["ar"], ["en"])).toBe("en");
  expect(languageFor(["fr-BE", "EN-gb"], ["ar", "en"])).toBe("en");
  expect(languageFor(["fr"], ["fr"])).toBe("en");
});

test("pictures are the desk's own or none", () => {
  const desk = "https://desk.example";
  expect(pictureOf("/media/ines.png", desk)).toBe("https://desk.example/media/ines.png");
  expect(pictureOf("https://tracker.example/pixel.png", desk)).toBeUndefined();
  expect(pictureOf("javascript:alert(1)", desk)).toBeUndefined();
  expect(pictureOf("data:text/html;base64,AA", desk)).toBeUndefined();
  expect(initials("Ines Marie Moreau")).toBe("IM");
  expect(initials("🦊 fox")).toBe("🦊F");
  expect(initials("  ")).toBe("");
});
