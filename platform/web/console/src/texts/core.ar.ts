/** Arabic words of the frame, the lists, the acts and the settings. */

import type { core as english } from "./core.en.ts";

type Words = { readonly [Key in keyof typeof english]?: string | { other: string } };

export const core: Words = {};
