/** Which rows of a long table are in sight, by TanStack Virtual. */
import {
  elementScroll,
  observeElementOffset,
  observeElementRect,
  type VirtualItem,
  Virtualizer,
} from "@tanstack/virtual-core";
import type { RefObject } from "preact";
import { useLayoutEffect, useState } from "preact/hooks";

export interface Rows {
  items: VirtualItem[];
  /** Pixels above the rows in sight, and below them. */
  before: number;
  after: number;
  show: (index: number) => void;
}

export function useVirtualRows(
  frame: RefObject<HTMLElement>,
  count: number,
  heightPx: number,
): Rows {
  const [, draw] = useState(0);
  const options = {
    count,
    getScrollElement: () => frame.current,
    estimateSize: () => heightPx,
    overscan: 10,
    observeElementRect,
    observeElementOffset,
    scrollToFn: elementScroll,
    onChange: () => draw((drawn) => drawn + 1),
  };
  const [rows] = useState(() => new Virtualizer<HTMLElement, Element>(options));
  rows.setOptions(options);
  useLayoutEffect(() => rows._didMount(), [rows]);
  useLayoutEffect(() => rows._willUpdate());
  const items = rows.getVirtualItems();
  const end = items.at(-1)?.end ?? 0;
  return {
    items,
    before: items[0]?.start ?? 0,
    after: Math.max(0, rows.getTotalSize() - end),
    show: (index) => rows.scrollToIndex(index),
  };
}
