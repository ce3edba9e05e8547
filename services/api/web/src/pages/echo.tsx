/** C-ECHO: is somebody there, how quickly, and if not, how far did it get. */
import { useMutation } from "@tanstack/preact-query";
import { useState } from "preact/hooks";
import { client, type EchoResult, result, type Sender } from "../api/client";
import { useText } from "../i18n";
import { useFormat } from "../session";
import { Action, Failure, Notice } from "../ui/basics";
import { Check, Text } from "../ui/fields";

export function EchoAnswer(props: { answer: EchoResult }) {
  const t = useText();
  const format = useFormat();
  const { ok, stage, latency_ms, detail } = props.answer;
  return (
    <div role="status">
      <Notice tone={ok ? "success" : "danger"}>
        {ok ? t.echo.ok(format.number(latency_ms ?? 0)) : t.echo.failed(t.echo.stages[stage])}
        <small class="quiet">{detail}</small>
      </Notice>
    </div>
  );
}

/** A button that asks, and the answer beside it. */
export function Echo(props: { ask: () => Promise<EchoResult>; disabled?: boolean }) {
  const t = useText();
  const asking = useMutation({ mutationFn: props.ask });
  return (
    <div class="actions">
      <Action
        needs="operator"
        icon="scanner"
        disabled={props.disabled}
        loading={asking.isPending}
        onClick={() => asking.mutate()}
      >
        {t.echo.button}
      </Action>
      {asking.data && <EchoAnswer answer={asking.data} />}
      {asking.error && <Failure error={asking.error} />}
    </div>
  );
}

export function DestinationEcho(props: { name: string }) {
  const path = { params: { path: { name: props.name } } };
  return <Echo ask={() => result(client.POST("/api/v1/destinations/{name}/echo", path))} />;
}

/** Only a scanner whose host and port are known can be asked. */
export function SenderEcho(props: { sender: Sender }) {
  const { name, host, port } = props.sender;
  const path = { params: { path: { name } } };
  return (
    <Echo
      disabled={!host || !port}
      ask={() => result(client.POST("/api/v1/senders/{name}/echo", path))}
    />
  );
}

export function AdHocEcho() {
  const t = useText();
  const [host, setHost] = useState("");
  const [port, setPort] = useState("104");
  const [title, setTitle] = useState("");
  const [tls, setTls] = useState(false);
  return (
    <section>
      <h2>{t.echo.title}</h2>
      <div class="filters">
        <Text label={t.peer.host} value={host} onChange={setHost} />
        <Text label={t.peer.port} type="number" value={port} onChange={setPort} />
        <Text label={t.peer.aeTitle} value={title} onChange={setTitle} />
        <Check label={t.peer.tls} value={tls} onChange={setTls} />
      </div>
      <Echo
        disabled={!host || !title || !port}
        ask={() =>
          result(
            client.POST("/api/v1/echo", {
              body: { host, port: Number(port), ae_title: title, tls },
            }),
          )
        }
      />
    </section>
  );
}
