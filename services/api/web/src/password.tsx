/** One's own password: whoever signs in with one can change it. */
import { useState } from "preact/hooks";
import { client, result } from "./api/client";
import { useText } from "./i18n";
import { Dialog } from "./ui/dialogs";
import { Text } from "./ui/fields";

export function PasswordDialog(props: { onClose: () => void }) {
  const t = useText();
  const p = t.password;
  const [current, setCurrent] = useState("");
  const [wanted, setWanted] = useState("");
  const [again, setAgain] = useState("");
  const differs = Boolean(again) && again !== wanted;
  return (
    <Dialog
      title={p.title}
      button={t.app.save}
      done={p.done}
      ready={Boolean(current && wanted && again === wanted)}
      run={() => result(client.PUT("/api/v1/session/password", { body: { current, new: wanted } }))}
      onClose={props.onClose}
    >
      <p>{p.explain}</p>
      <Text
        type="password"
        label={p.current}
        value={current}
        onChange={setCurrent}
        autocomplete="current-password"
        required
        autofocus
      />
      <Text
        type="password"
        label={p.wanted}
        hint={t.users.passwordHint}
        value={wanted}
        onChange={setWanted}
        autocomplete="new-password"
        required
      />
      <Text
        type="password"
        label={p.again}
        hint={differs ? p.differs : ""}
        value={again}
        onChange={setAgain}
        autocomplete="new-password"
        required
      />
    </Dialog>
  );
}
