/** People who sign in with a password, and tokens of other systems. */
import { useState } from "preact/hooks";
import { client, type Role, result, type Schemas } from "../api/client";
import { useAsked } from "../api/queries";
import { useText } from "../i18n";
import { useFormat, useMay } from "../session";
import { Action, Badge, Heading, Loaded, Notice, Scrolled } from "../ui/basics";
import { Dialog } from "../ui/dialogs";
import { Check, Choice, Text } from "../ui/fields";

type User = Schemas["User"];
type Token = Schemas["Token"];
const ROLES: Role[] = ["viewer", "operator", "admin"];

export function Users() {
  const t = useText();
  if (!useMay()("admin")) {
    return (
      <>
        <Heading title={t.pages.users} />
        <p>{t.app.needs.admin}</p>
      </>
    );
  }
  return (
    <>
      <Heading title={t.pages.users} />
      <People />
      <Tokens />
    </>
  );
}

function People() {
  const t = useText();
  const u = t.users;
  const format = useFormat();
  const found = useAsked(["users"], () =>
    result(client.GET("/api/v1/users", { params: { query: { limit: 500 } } })),
  );
  const [editing, edit] = useState<User | "new" | null>(null);
  const [removing, remove] = useState<User | null>(null);
  return (
    <section>
      <div class="heading">
        <h2>{u.people}</h2>
        <Action needs="admin" icon="plus" tone="brand" onClick={() => edit("new")}>
          {t.app.add}
        </Action>
      </div>
      <Loaded of={found}>
        <Scrolled label={u.people}>
          <table>
            <thead>
              <tr>
                <th scope="col">{t.signIn.name}</th>
                <th scope="col">{u.role}</th>
                <th scope="col">{u.lastSignedIn}</th>
                <th scope="col">
                  <span class="wa-visually-hidden">{t.app.edit}</span>
                </th>
              </tr>
            </thead>
            <tbody>
              {(found.data?.items ?? []).map((each) => (
                <tr key={each.name}>
                  <td>
                    {each.name} {each.disabled && <Badge tone="warning">{u.disabled}</Badge>}
                  </td>
                  <td>{t.roles[each.role]}</td>
                  <td>{each.last_signed_in_at ? format.time(each.last_signed_in_at) : u.never}</td>
                  <td>
                    <div class="actions">
                      <Action needs="admin" onClick={() => edit(each)}>
                        {t.app.edit}
                      </Action>
                      <Action needs="admin" tone="danger" onClick={() => remove(each)}>
                        {t.app.remove}
                      </Action>
                    </div>
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </Scrolled>
        <p class="quiet">{u.builtIn}</p>
      </Loaded>
      {editing && (
        <UserDialog user={editing === "new" ? null : editing} onClose={() => edit(null)} />
      )}
      {removing && (
        <Dialog
          title={`${t.app.remove}: ${removing.name}`}
          button={t.app.remove}
          danger
          run={() =>
            result(
              client.DELETE("/api/v1/users/{name}", { params: { path: { name: removing.name } } }),
            )
          }
          onClose={() => remove(null)}
        >
          <p>{u.removeExplain}</p>
        </Dialog>
      )}
    </section>
  );
}

function useRoles() {
  const t = useText();
  return ROLES.map((each) => [each, t.roles[each]] as const);
}

function UserDialog(props: { user: User | null; onClose: () => void }) {
  const t = useText();
  const u = t.users;
  const roles = useRoles();
  const { user } = props;
  const [name, setName] = useState(user?.name ?? "");
  const [role, setRole] = useState<string>(user?.role ?? "viewer");
  const [password, setPassword] = useState("");
  const [disabled, setDisabled] = useState(user?.disabled ?? false);
  const body = { name, role: role as Role, disabled };
  return (
    <Dialog
      title={user ? `${t.app.edit}: ${user.name}` : u.add}
      button={t.app.save}
      ready={Boolean(name && (user || password))}
      run={() =>
        user
          ? result(
              client.PUT("/api/v1/users/{name}", {
                params: { path: { name } },
                body: { ...body, password: password || null },
              }),
            )
          : result(client.POST("/api/v1/users", { body: { ...body, password } }))
      }
      onClose={props.onClose}
    >
      {!user && (
        <Text
          label={t.signIn.name}
          hint={u.nameHint}
          value={name}
          onChange={setName}
          required
          autofocus
        />
      )}
      <Choice label={u.role} hint={u.roleHint} value={role} options={roles} onChange={setRole} />
      <Text
        type="password"
        label={t.signIn.password}
        hint={user ? u.passwordKept : u.passwordHint}
        value={password}
        onChange={setPassword}
        required={!user}
      />
      {user && <Check label={u.disabled} value={disabled} onChange={setDisabled} />}
    </Dialog>
  );
}

function Tokens() {
  const t = useText();
  const u = t.users;
  const format = useFormat();
  const found = useAsked(["tokens"], () =>
    result(client.GET("/api/v1/tokens", { params: { query: { limit: 500 } } })),
  );
  const [isMaking, make] = useState(false);
  const [made, setMade] = useState("");
  const [removing, remove] = useState<Token | null>(null);
  return (
    <section>
      <div class="heading">
        <h2>{u.tokens}</h2>
        <Action needs="admin" icon="plus" tone="brand" onClick={() => make(true)}>
          {t.app.add}
        </Action>
      </div>
      {made && (
        <Notice tone="success">
          {u.made}
          <br />
          <code class="secret">{made}</code>
        </Notice>
      )}
      <Loaded of={found}>
        <Scrolled label={u.tokens}>
          <table>
            <thead>
              <tr>
                <th scope="col">{t.signIn.name}</th>
                <th scope="col">{u.role}</th>
                <th scope="col">{u.expires}</th>
                <th scope="col">{u.lastUsed}</th>
                <th scope="col">
                  <span class="wa-visually-hidden">{t.app.remove}</span>
                </th>
              </tr>
            </thead>
            <tbody>
              {(found.data?.items ?? []).map((each) => (
                <tr key={each.id}>
                  <td>
                    {each.name} <small class="quiet">{each.prefix}…</small>
                  </td>
                  <td>{t.roles[each.role]}</td>
                  <td>{each.expires_at ? format.time(each.expires_at) : u.never}</td>
                  <td>
                    {each.last_used_at ? format.time(each.last_used_at) : u.never}
                    <small class="quiet">{each.last_used_from}</small>
                  </td>
                  <td>
                    <Action needs="admin" tone="danger" onClick={() => remove(each)}>
                      {t.app.remove}
                    </Action>
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </Scrolled>
      </Loaded>
      {isMaking && <TokenDialog onMade={setMade} onClose={() => make(false)} />}
      {removing && (
        <Dialog
          title={`${t.app.remove}: ${removing.name}`}
          button={t.app.remove}
          danger
          run={() =>
            result(
              client.DELETE("/api/v1/tokens/{token_id}", {
                params: { path: { token_id: removing.id } },
              }),
            )
          }
          onClose={() => remove(null)}
        >
          <p>{u.removeTokenExplain}</p>
        </Dialog>
      )}
    </section>
  );
}

function TokenDialog(props: { onMade: (token: string) => void; onClose: () => void }) {
  const t = useText();
  const u = t.users;
  const format = useFormat();
  const roles = useRoles();
  const [name, setName] = useState("");
  const [role, setRole] = useState<string>("viewer");
  const [expires, setExpires] = useState("");
  return (
    <Dialog
      title={u.addToken}
      button={t.app.add}
      ready={Boolean(name)}
      run={async () => {
        const expires_at = expires ? format.endOfDay(expires) : null;
        const made = await result(
          client.POST("/api/v1/tokens", { body: { name, role: role as Role, expires_at } }),
        );
        props.onMade(made.token);
      }}
      onClose={props.onClose}
    >
      <Text label={t.signIn.name} hint={u.nameHint} value={name} onChange={setName} required />
      <Choice label={u.role} hint={u.roleHint} value={role} options={roles} onChange={setRole} />
      <Text
        type="date"
        label={u.expires}
        hint={u.expiresHint}
        value={expires}
        onChange={setExpires}
      />
    </Dialog>
  );
}
