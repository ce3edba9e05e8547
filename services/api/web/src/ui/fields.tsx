/** Fields of forms, with plain values. */
import type WaInput from "@awesome.me/webawesome/dist/components/input/input.js";
import type WaSelect from "@awesome.me/webawesome/dist/components/select/select.js";
import type WaSwitch from "@awesome.me/webawesome/dist/components/switch/switch.js";

export function Text(props: {
  label: string;
  value: string;
  onChange: (value: string) => void;
  hint?: string;
  type?: "text" | "number" | "password" | "date" | "search";
  required?: boolean;
  disabled?: boolean;
  autofocus?: boolean;
  pattern?: string;
  autocomplete?: string;
  maxlength?: number;
}) {
  const { onChange, ...given } = props;
  return (
    <wa-input
      size="s"
      autocapitalize="off"
      spellcheck={false}
      {...given}
      onInput={(event: Event) => onChange((event.currentTarget as WaInput).value ?? "")}
    />
  );
}

export function Check(props: {
  label: string;
  value: boolean;
  onChange: (value: boolean) => void;
  hint?: string;
}) {
  return (
    <wa-switch
      size="s"
      checked={props.value}
      hint={props.hint ?? ""}
      onChange={(event: Event) => props.onChange((event.currentTarget as WaSwitch).checked)}
    >
      {props.label}
    </wa-switch>
  );
}

export function Choice(props: {
  label: string;
  value: string;
  options: readonly (readonly [value: string, name: string])[];
  onChange: (value: string) => void;
  placeholder?: string;
  hint?: string;
}) {
  return (
    <wa-select
      size="s"
      label={props.label}
      hint={props.hint ?? ""}
      value={props.value}
      placeholder={props.placeholder ?? ""}
      // Preact writes a `false` here as a string, which counts as set.
      with-clear={props.placeholder === undefined ? undefined : true}
      onChange={(event: Event) =>
        props.onChange(String((event.currentTarget as WaSelect).value ?? ""))
      }
    >
      {props.options.map(([value, name]) => (
        <wa-option key={value} value={value}>
          {name}
        </wa-option>
      ))}
    </wa-select>
  );
}
