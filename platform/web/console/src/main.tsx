/** Where the console begins. */

import { render } from "preact";
import "@deskbell/ui/tokens.css";
import { Icon } from "@deskbell/ui/icon.tsx";
import { bell } from "@deskbell/ui/drawings.ts";

const place = document.getElementById("console");
if (place) render(<Icon of={bell} />, place);
