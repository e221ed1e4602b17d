"""The style of the page of a comparison: readable on narrow screens, in the dark, without colour, and printed."""

# The colours are those of Okabe and Ito, which people without full colour sight can tell apart; dashes differ as well.
STYLE = """
:root { color-scheme: light dark; --text: #1a1a1a; --faint: #555; --rule: #ccc; --back: #fff; --box: #f3f5f7;
  --good: #00603f; --bad: #9c2b00; --c0: #0072b2; --c1: #d55e00; --c2: #009e73; --c3: #a0527d; --c4: #7a6a00; --c5: #333; }
@media (prefers-color-scheme: dark) { :root { --text: #e8e8e8; --faint: #aaa; --rule: #444; --back: #16181a; --box: #22262a;
  --good: #5fd0a0; --bad: #ff9a6c; --c0: #62b6ec; --c1: #ff9a4d; --c2: #3fd0a4; --c3: #e09ac4; --c4: #e6d34a;
  --c5: #ddd; } }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 75rem; margin: 2rem auto; padding: 0 1rem; color: var(--text);
  background: var(--back); }
h1, h2, h3, h4 { line-height: 1.2; overflow-wrap: anywhere; } h4 { margin: .5rem 0; font-size: 1rem; }
p, ul { max-width: 48rem; overflow-wrap: anywhere; } ul { padding-left: 0; list-style: none; }
.verdicts { background: var(--box); padding: .25rem 1rem; border-left: 4px solid var(--c0); }
.verdicts h2 { margin: .5rem 0; }
.wide { overflow-x: auto; } table { border-collapse: collapse; margin: .5rem 0; font-size: .9375rem; }
td, th { padding: .25rem .75rem; border-bottom: 1px solid var(--rule); text-align: right; white-space: nowrap;
  font-variant-numeric: tabular-nums; }
@media (max-width: 40rem) { td, th { padding: .25rem .4rem; } }
.wraps td, .wraps th { white-space: normal; }
th { font-weight: 600; } th:first-child { text-align: left; } thead th { vertical-align: bottom; }
.better { color: var(--good); font-weight: 600; } .worse { color: var(--bad); font-weight: 600; }
.note { margin: 0 0 .5rem; color: var(--faint); font-size: .875rem; } figure { margin: 0; }
figcaption { color: var(--faint); font-size: .875rem; overflow-wrap: anywhere; }
.curves { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 22rem), 1fr)); gap: 1rem; }
svg { width: 100%; height: auto; } svg text { font: 12px system-ui, sans-serif; fill: var(--text); }
svg.key { width: 40px; height: 10px; }
.up { text-anchor: end; } .across { text-anchor: middle; } .grid { stroke: var(--rule); stroke-width: 1; }
.line { fill: none; stroke-width: 1.6; stroke-linejoin: round; }
.s0 { --c: var(--c0); --d: none; } .s1 { --c: var(--c1); --d: 7 3; } .s2 { --c: var(--c2); --d: 2 3; }
.s3 { --c: var(--c3); --d: 9 3 2 3; } .s4 { --c: var(--c4); --d: 12 4; } .s5 { --c: var(--c5); --d: 4 2; }
.s0 .line, .s1 .line, .s2 .line, .s3 .line, .s4 .line, .s5 .line { stroke: var(--c); stroke-dasharray: var(--d); }
svg g circle, svg g text { fill: var(--c); }
.strip { display: flex; flex-wrap: wrap; gap: .5rem; } .strip img { max-width: 100%; height: auto; display: block; }
.strip figcaption { max-width: 16rem; } .pixels { image-rendering: pixelated; }
.pair { border-top: 1px solid var(--rule); padding: .5rem 0 1rem; }
@media print { body { max-width: none; margin: 0; } .wide { overflow: visible; } table { font-size: .7rem; }
  td, th { padding: .1rem .3rem; white-space: normal; } .pair, figure, tr { break-inside: avoid; }
  .wraps { font-size: .55rem; } .strip img { max-width: 3.5cm; } h2, h3 { break-after: avoid; } }
"""
