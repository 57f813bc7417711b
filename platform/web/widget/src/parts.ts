/** The tokens and styles that several of the later parts share. They come before a part's own. */

import tokens from "./later-tokens.css?inline";
import styles from "./parts.css?inline";
import { adopt } from "./sheets.ts";

adopt(tokens);
adopt(styles);
