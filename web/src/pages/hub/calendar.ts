// A show as an iCalendar event (RFC 5545), made in the browser. Pure.

const stamp = (ms: number): string => new Date(ms).toISOString().replace(/[-:]|\.\d{3}/g, "");

// Text values escape these; a bare line break would end the property.
const escape = (text: string): string => text.replace(/[\\;,]/g, (found) => `\\${found}`).replace(/\r\n|\r|\n/g, "\\n");

// Content lines are at most 75 octets; folding by characters at 60 stays below it for CJK only in part, so octets are counted.
function fold(line: string): string {
  const encoder = new TextEncoder();
  let out = "";
  let size = 0;
  for (const char of line) {
    const bytes = encoder.encode(char).length;
    if (size + bytes > 73) {
      out += "\r\n ";
      size = 1;
    }
    out += char;
    size += bytes;
  }
  return out;
}

export interface CalendarShow {
  id: string;
  title: string;
  description: string;
  url: string;
  startsMs: number;
}

/** One event of an hour with a reminder ten minutes before. */
export function calendarFile(show: CalendarShow, nowMs: number): string {
  return [
    "BEGIN:VCALENDAR",
    "VERSION:2.0",
    "PRODID:-//streamserver//hub//EN",
    "BEGIN:VEVENT",
    `UID:${show.id}-${show.startsMs}@streamserver`,
    `DTSTAMP:${stamp(nowMs)}`,
    `DTSTART:${stamp(show.startsMs)}`,
    `DTEND:${stamp(show.startsMs + 3_600_000)}`,
    `SUMMARY:${escape(show.title)}`,
    `DESCRIPTION:${escape(show.description)}`,
    `URL:${show.url}`,
    "BEGIN:VALARM",
    "ACTION:DISPLAY",
    "TRIGGER:-PT10M",
    `DESCRIPTION:${escape(show.title)}`,
    "END:VALARM",
    "END:VEVENT",
    "END:VCALENDAR",
    "",
  ].map(fold).join("\r\n");
}
