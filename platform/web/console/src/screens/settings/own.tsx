/** How one likes the console. Each choice holds at once; it is kept in this browser, for this user. */

import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { preferences, prefer, type Preferences } from "../../preferences.ts";
import { useDesk } from "../../use-desk.ts";
import { LANGUAGES, t } from "../../words.ts";
import { Face } from "../parts/face.tsx";
import { Check, Choice } from "../parts/form.tsx";

export function Own(): JSX.Element {
  const desk = useDesk();
  const { user, role } = desk.me.value;
  const liked = preferences.value;
  const [refused, setRefused] = useState(false);
  const notices = "Notification" in globalThis;

  async function wantNotices(on: boolean): Promise<void> {
    setRefused(false);
    if (!on) {
      prefer({ desktopNotices: false });
      return;
    }
    const allowed = await Notification.requestPermission();
    if (allowed === "granted") prefer({ desktopNotices: true });
    else setRefused(true);
  }

  return (
    <div class="sc-form se">
      <p class="sc-person">
        <Face of={user} size="l" />
        <span>
          <b dir="auto">{user.name}</b>
          <small>{role ? t(`screens.role.${role}`) : ""}</small>
        </span>
      </p>
      <p class="sc-faint">{t("screens.settings.kept")}</p>
      <Choice label={t("screens.settings.language")} value={liked.language} set={(language) => { prefer({ language }); }} options={[["", t("screens.settings.as_browser")], ...Object.entries(LANGUAGES)]} />
      <Choice label={t("screens.settings.theme")} value={liked.theme} set={(theme) => { prefer({ theme: theme as Preferences["theme"] }); }} options={[["system", t("screens.settings.as_system")], ["light", t("screens.settings.light")], ["dark", t("screens.settings.dark")]]} />
      <Choice label={t("screens.settings.density")} value={liked.density} set={(density) => { prefer({ density: density as Preferences["density"] }); }} options={[["expanded", t("screens.settings.expanded")], ["condensed", t("screens.settings.condensed")]]} />
      <Choice label={t("screens.settings.send")} value={liked.sendKey} set={(sendKey) => { prefer({ sendKey: sendKey as Preferences["sendKey"] }); }} options={[["enter", t("screens.settings.send_enter")], ["mod+enter", t("screens.settings.send_mod")]]} hint={t(liked.sendKey === "enter" ? "screens.settings.send_enter_hint" : "screens.settings.send_mod_hint")} />
      <Check label={t("screens.settings.sound")} value={liked.sound} set={(sound) => { prefer({ sound }); }} hint={t("screens.settings.sound_hint")} />
      {notices && <Check label={t("screens.settings.notices")} value={liked.desktopNotices} set={(on) => void wantNotices(on)} hint={t("screens.settings.notices_hint")} />}
      {refused && <p class="sc-wrong" role="alert">{t("screens.settings.notices_refused")}</p>}
    </div>
  );
}
