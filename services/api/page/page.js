// Lists the newest studies and keeps the list fresh. The token from `#token=` becomes a cookie.

const EVERY_MILLISECONDS = 2000;
const element = (id) => document.getElementById(id);

async function signIn(token) {
  const headers = { Authorization: `Bearer ${token}` };
  const answer = await fetch("/api/v1/session", { method: "POST", headers });
  return answer.ok;
}

async function takeTokenFromAddress() {
  const token = new URLSearchParams(location.hash.slice(1)).get("token");
  if (!token) return;
  history.replaceState(null, "", location.pathname);
  await signIn(token);
}

function cell(text, kind) {
  const td = document.createElement("td");
  td.textContent = text;
  if (kind) td.className = kind;
  return td;
}

function row(study) {
  const deliveries = study.deliveries.map(
    (each) => `${each.destination}: ${each.state} ${each.sent}/${each.total}`
      + (each.reason && each.state !== "delivered" ? ` (${each.reason.text})` : ""),
  );
  const tr = document.createElement("tr");
  tr.append(
    cell(study.created_at), cell(study.patient_name), cell(study.patient_id),
    cell(study.modality), cell(study.study_description), cell(study.image_count, "number"),
    cell(study.state), cell(deliveries.join("; ")),
  );
  return tr;
}

async function refresh() {
  const answer = await fetch("/api/v1/studies?limit=100");
  element("sign-in").hidden = answer.status !== 401;
  if (answer.status === 401) {
    element("status").textContent = "Open the address that the router printed, or give its token.";
    return;
  }
  if (!answer.ok) throw new Error((await answer.json()).detail);
  const page = await answer.json();
  element("studies").replaceChildren(...page.items.map(row));
  element("status").textContent = page.items.length
    ? `The newest ${page.items.length}, as of ${new Date().toLocaleTimeString()}`
    : "No study has arrived yet.";
}

async function keepFresh() {
  try {
    await refresh();
  } catch (error) {
    element("status").textContent = `No news from the router: ${error.message}`;
  }
  setTimeout(keepFresh, EVERY_MILLISECONDS);
}

element("sign-in-button").addEventListener("click", async () => {
  await signIn(element("token").value.trim());
  await refresh();
});
addEventListener("hashchange", takeTokenFromAddress);
await takeTokenFromAddress();
await keepFresh();
