/** A word on what was done, for a moment. */
import type WaToast from "@awesome.me/webawesome/dist/components/toast/toast.js";

export function say(message: string, variant: "success" | "danger" = "success"): void {
  const toast = document.querySelector<WaToast>("wa-toast");
  void toast?.create(message, { variant, duration: 5000 });
}
