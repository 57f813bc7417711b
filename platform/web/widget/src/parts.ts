/** The styles that several of the later parts share. They come before a part's own. */

import styles from "./parts.css?inline";
import { adopt } from "./sheets.ts";

adopt(styles);
