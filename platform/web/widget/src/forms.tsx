/** What is fetched when a form is first shown. */

import "./parts.ts";
import { adopt } from "./sheets.ts";
import styles from "./forms.css?inline";

export { teach } from "./opened-words.ts";
export { Offline } from "./offline.tsx";
export { Prechat } from "./prechat.tsx";

adopt(styles);
