/** Where the console begins: restored, or a login; then the desk and its frame. */

import "@deskbell/ui/tokens.css";
import "./base.css";
import { whenGone } from "@deskbell/ui/bring.ts";
import { render } from "preact";
import { App } from "./app.tsx";
import { reloadOnce } from "./lazy.tsx";
import { followHistory } from "./route.ts";

whenGone(reloadOnce);
followHistory();
const root = document.getElementById("console");
if (root) render(<App />, root);
