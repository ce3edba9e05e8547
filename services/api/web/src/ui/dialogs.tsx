/** Questions that are asked before something is done. */
import type WaTextarea from "@awesome.me/webawesome/dist/components/textarea/textarea.js";
import { useMutation, useQueryClient } from "@tanstack/preact-query";
import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { useText } from "../i18n";
import { Failure } from "./basics";
import { say } from "./toast";

/** A dialog with what is to be done, who does it, and why it did not work. */
export function Dialog(props: {
  title: string;
  button: string;
  danger?: boolean;
  ready?: boolean;
  run: () => Promise<unknown>;
  done?: string;
  onClose: () => void;
  children: ComponentChildren;
}) {
  const t = useText();
  const queries = useQueryClient();
  const [open, setOpen] = useState(true);
  const work = useMutation({
    mutationFn: props.run,
    onSuccess: () => {
      setOpen(false);
      say(props.done ?? t.study.done);
      void queries.invalidateQueries();
    },
  });
  return (
    <wa-dialog
      label={props.title}
      open={open}
      onwa-hide={(event: Event) => event.target === event.currentTarget && setOpen(false)}
      onwa-after-hide={(event: Event) => event.target === event.currentTarget && props.onClose()}
    >
      <form
        class="form"
        onSubmit={(event) => {
          event.preventDefault();
          if (props.ready !== false) work.mutate();
        }}
      >
        {props.children}
        {work.error && <Failure error={work.error} />}
        <button type="submit" hidden />
      </form>
      <div slot="footer" class="actions">
        <wa-button appearance="outlined" onClick={() => setOpen(false)}>
          {t.app.cancel}
        </wa-button>
        <wa-button
          variant={props.danger ? "danger" : "brand"}
          loading={work.isPending}
          disabled={props.ready === false}
          onClick={() => work.mutate()}
        >
          {props.button}
        </wa-button>
      </div>
    </wa-dialog>
  );
}

/** A dialog that asks why: the reason is kept in the study's history. */
export function ReasonDialog(props: {
  title: string;
  explain: string;
  hint?: string;
  danger?: boolean;
  run: (reason: string) => Promise<unknown>;
  onClose: () => void;
}) {
  const t = useText();
  const [reason, setReason] = useState("");
  return (
    <Dialog
      title={props.title}
      button={props.title}
      danger={props.danger}
      ready={reason.trim().length > 0}
      run={() => props.run(reason.trim())}
      onClose={props.onClose}
    >
      <p>{props.explain}</p>
      <wa-textarea
        label={t.app.reason}
        hint={props.hint ?? t.app.reasonHint}
        value={reason}
        maxlength={500}
        required
        autofocus
        rows={3}
        onInput={(event: Event) => setReason((event.currentTarget as WaTextarea).value ?? "")}
      />
    </Dialog>
  );
}
