/** Who are you? */
import type WaInput from "@awesome.me/webawesome/dist/components/input/input.js";
import { useMutation, useQueryClient } from "@tanstack/preact-query";
import { useState } from "preact/hooks";
import { signIn } from "./api/client";
import { useText } from "./i18n";
import { Appearance } from "./shell";
import { Failure } from "./ui/basics";

export function SignIn() {
  const t = useText();
  const queries = useQueryClient();
  const [name, setName] = useState("");
  const [secret, setSecret] = useState("");
  const [withToken, setWithToken] = useState(false);
  const isReady = Boolean(secret) && (withToken || Boolean(name.trim()));
  const entering = useMutation({
    mutationFn: () =>
      signIn(withToken ? { token: secret.trim() } : { name: name.trim(), password: secret }),
    onSuccess: () => queries.invalidateQueries(),
  });
  const value = (event: Event) => (event.currentTarget as WaInput).value ?? "";
  return (
    <main class="sign-in">
      <wa-card>
        <form
          class="form"
          onSubmit={(event) => {
            event.preventDefault();
            if (isReady) entering.mutate();
          }}
        >
          <h1>{t.app.title}</h1>
          <p>{withToken ? t.signIn.explainToken : t.signIn.explain}</p>
          {!withToken && (
            <wa-input
              label={t.signIn.name}
              value={name}
              autocomplete="username"
              autocapitalize="none"
              required
              autofocus
              onInput={(event: Event) => setName(value(event))}
            />
          )}
          <wa-input
            type="password"
            label={withToken ? t.signIn.token : t.signIn.password}
            value={secret}
            autocomplete={withToken ? "off" : "current-password"}
            password-toggle
            required
            onInput={(event: Event) => setSecret(value(event))}
          />
          {entering.error && <Failure error={entering.error} />}
          <wa-button type="submit" variant="brand" loading={entering.isPending}>
            {t.signIn.button}
          </wa-button>
          <wa-button
            appearance="plain"
            size="s"
            onClick={() => {
              setWithToken(!withToken);
              setSecret("");
            }}
          >
            {withToken ? t.signIn.usePassword : t.signIn.useToken}
          </wa-button>
        </form>
      </wa-card>
      <div class="appearance">
        <Appearance />
      </div>
    </main>
  );
}
