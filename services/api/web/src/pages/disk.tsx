/** How full the disk is, with what, and when it will be full. */
import { useDisk } from "../api/queries";
import { useText } from "../i18n";
import { useFormat } from "../session";
import { Heading, Loaded, Notice } from "../ui/basics";
import { fills } from "../words";
import { DataFolder } from "./data-folder";

export function Disk() {
  const t = useText();
  const d = t.disk;
  const format = useFormat();
  const found = useDisk();
  const disk = found.data;
  if (!disk) {
    return (
      <>
        <Heading title={t.pages.disk} help="/help#disk" />
        <Loaded of={found}>{null}</Loaded>
        <DataFolder />
      </>
    );
  }
  const used = (100 * disk.used_bytes) / Math.max(1, disk.total_bytes);
  const parts: [string, number][] = [
    ...Object.entries(disk.studies_bytes).map(([state, bytes]): [string, number] => [
      d.studies[state as keyof typeof d.studies],
      bytes,
    ]),
    [d.spool, disk.spool_bytes],
    [d.quarantine, disk.quarantine_bytes],
  ];
  parts.sort((a, b) => b[1] - a[1]);
  return (
    <>
      <Heading title={t.pages.disk} help="/help#disk" />
      {disk.refusing && (
        <Notice tone="danger" large>
          {d.refusing(format.bytes(disk.minimum_free_bytes))}
        </Notice>
      )}
      <p>{d.free(format.bytes(disk.free_bytes), format.bytes(disk.total_bytes))}</p>
      <wa-progress-bar
        value={used}
        label={d.free(format.bytes(disk.free_bytes), format.bytes(disk.total_bytes))}
      />
      <p>
        {fills(disk, d.full, d, format)}{" "}
        <span class="quiet">
          {d.rate(
            format.bytes(Math.abs(disk.growth_bytes_per_hour)),
            disk.growth_bytes_per_hour < 0,
            format.span(disk.growth_window_hours),
          )}
        </span>
      </p>
      <table class="parts">
        <caption class="wa-visually-hidden">{t.pages.disk}</caption>
        <tbody>
          {parts.map(([name, bytes]) => (
            <tr key={name}>
              <th scope="row">{name}</th>
              <td class="number">{format.bytes(bytes)}</td>
            </tr>
          ))}
        </tbody>
      </table>
      <DataFolder />
    </>
  );
}
