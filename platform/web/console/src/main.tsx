/** Where the console begins: restored, or a login; then the desk and its frame. */

import "@deskbell/ui/tokens.css";
import "./base.css";
import { render } from "preact";
import { App } from "./app.tsx";
import { reloadOnce } from "./lazy.tsx";
import { followHistory } from "./route.ts";

// A file of an older build is gone from the server.
addEventListener("vite:preloadError", (event) => {
  if (reloadOnce()) event.preventDefault();
});

followHistory();
const root = document.getElementById("console");
if (root) render(<App />, root);
