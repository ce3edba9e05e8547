/** Lines over time, drawn by uPlot in the theme's colours and the site's time zone. */
import { useEffect, useRef } from "preact/hooks";
import UPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import type { Chart as Lines } from "../depths";
import { useText } from "../i18n";
import { useFormat } from "../session";
import { useStore } from "../store";
import { theme } from "../theme";

const HEIGHT_PX = 220;
const COLORS = ["blue", "orange", "green", "purple", "red", "cyan", "pink", "yellow"];

export default function Chart(props: { lines: Lines; label: string }) {
  const frame = useRef<HTMLDivElement>(null);
  const format = useFormat();
  const t = useText();
  const shown = useStore(theme); // another theme has other colours
  const { lines } = props;
  useEffect(() => {
    const place = frame.current;
    if (!place) return;
    const color = (name: string) => getComputedStyle(place).getPropertyValue(name).trim();
    const text = color("--wa-color-text-normal");
    const line = color("--wa-color-surface-border");
    const axis = { stroke: text, grid: { stroke: line, width: 1 }, ticks: { stroke: line } };
    const clock = (seconds: number, apart = 60) => {
      const moment = new Date(seconds * 1000);
      return apart < 60 ? format.second(moment) : format.time(moment);
    };
    const plot = new UPlot(
      {
        width: place.clientWidth,
        height: HEIGHT_PX,
        legend: { live: false }, // a colour and a name each
        series: [
          {},
          ...lines.names.map((name, index) => ({
            label: name,
            stroke: color(`--wa-color-${COLORS[index % COLORS.length]}-60`) || text,
            width: 2,
          })),
        ],
        scales: { y: { range: (_, __, most) => [0, Math.max(5, most ?? 0)] } },
        axes: [
          {
            ...axis,
            space: 90, // pixels between marks, for "14:10:23"
            values: (_, marks, __, ___, apart) => marks.map((each) => clock(each, apart)),
          },
          {
            ...axis,
            label: t.queues.depthUnit,
            values: (_, counts) => counts.map((each) => format.number(each)),
          },
        ],
      },
      lines.rows,
      place,
    );
    const resized = new ResizeObserver(() => {
      plot.setSize({ width: place.clientWidth, height: HEIGHT_PX });
    });
    resized.observe(place);
    return () => {
      resized.disconnect();
      plot.destroy();
    };
  }, [lines, shown, format.locale, format.zone, t]);
  return <div ref={frame} role="img" aria-label={props.label} class="chart" />;
}
