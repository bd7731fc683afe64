// The style of the elements. Colours are those of the page's `color-scheme`; a page changes them by the custom properties.

const STYLE = `
:host { display: block; font: 14px/1.4 system-ui, sans-serif;
  color: var(--takeoff-text, light-dark(#1c2024, #e8eaed)); }
:host([hidden]), [hidden] { display: none !important; }
section, p.message:only-child { border: 1px solid var(--takeoff-border, light-dark(#c3c9d0, #4a5058)); border-radius: 8px; padding: 12px;
  background: var(--takeoff-surface, light-dark(#ffffff, #1c2024)); }
header { display: flex; flex-wrap: wrap; gap: 8px; align-items: baseline; justify-content: space-between; }
strong { overflow-wrap: anywhere; }
.badge { display: inline-flex; gap: 6px; white-space: nowrap; font-weight: 600; }
.badge[data-status=COMPLETED] { color: light-dark(#116329, #57d27b); }
.badge[data-status=FAILED] { color: light-dark(#b3131b, #ff8f8f); }
.badge[data-status=RUNNING] { color: light-dark(#0b5cad, #7fb8ff); }
progress { width: 100%; margin-top: 8px; accent-color: light-dark(#0b5cad, #7fb8ff); }
p { margin: 8px 0 0; overflow-wrap: anywhere; }
p:only-child { margin: 0; }
.note { color: light-dark(#5a4a00, #f0d060); }
.picture { overflow: auto; }
.picture:focus-visible, summary:focus-visible { outline: 2px solid light-dark(#0b5cad, #7fb8ff); outline-offset: 2px; }
rect { fill: light-dark(#f3f5f7, #2a2f35); stroke: light-dark(#6b747e, #8a939c); }
.root rect { stroke: light-dark(#0b5cad, #7fb8ff); stroke-width: 2; }
text { fill: currentColor; font-size: 12px; }
text.type { font-weight: 600; }
path { fill: none; stroke: light-dark(#6b747e, #8a939c); stroke-width: 1.5; }
summary { cursor: pointer; margin-top: 8px; padding: 4px 0; }
table { border-collapse: collapse; margin-top: 4px; width: 100%; }
th, td { text-align: left; padding: 4px 8px 4px 0; vertical-align: top; overflow-wrap: anywhere; }
`;

let sheet: CSSStyleSheet | undefined;

export function sheets(): CSSStyleSheet[] {
  if (!sheet) {
    sheet = new CSSStyleSheet();
    sheet.replaceSync(STYLE);
  }
  return [sheet];
}
