/** The page's stylesheet. Light and dark by the reader's own setting; motion only for those who want it. */
export const PAGE_STYLE = `
:root {
  color-scheme: light dark;
  --ground: #f4f5f7; --panel: #ffffff; --ink: #1c2430; --quiet: #66707f; --line: #e3e6ea;
  --in: #1f6feb; --in-soft: #e8f1fe; --out: #7a4fd0; --out-soft: #f1ebfd;
  --good: #14804a; --good-soft: #e3f5ea; --missed: #96650a; --missed-soft: #fdf1d8; --bad: #b42318; --bad-soft: #fde8e6;
  --shadow: 0 1px 2px rgb(20 30 50 / 6%), 0 4px 14px rgb(20 30 50 / 5%);
}
@media (prefers-color-scheme: dark) {
  :root {
    --ground: #11151b; --panel: #1a2029; --ink: #e6eaf0; --quiet: #95a0b0; --line: #2a323e;
    --in: #6ea8fe; --in-soft: #17263f; --out: #b69af5; --out-soft: #271f3d;
    --good: #5cc98b; --good-soft: #143024; --missed: #e3b04b; --missed-soft: #33290f; --bad: #f58a80; --bad-soft: #3a1b19;
    --shadow: none;
  }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--ink); font: 15px/1.45 system-ui, -apple-system, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif; }
header { display: flex; flex-wrap: wrap; align-items: center; gap: 12px 28px; padding: 14px 28px; background: var(--panel); border-bottom: 1px solid var(--line); }
.brand { display: flex; align-items: center; gap: 12px; margin-right: auto; }
.mark { width: 34px; height: 34px; border-radius: 10px; background: linear-gradient(135deg, var(--in), var(--out)); position: relative; }
.mark::after { content: ''; position: absolute; inset: 9px; border: 3px solid #fff; border-radius: 50% 50% 50% 4px; }
h1 { font-size: 18px; line-height: 1.2; margin: 0; letter-spacing: -0.01em; }
header p { margin: 0; color: var(--quiet); font-size: 13px; }
.gauges { display: flex; gap: 22px; margin: 0; }
.gauges dt { font-size: 11.5px; color: var(--quiet); white-space: nowrap; }
.gauges dd { margin: 0; font-size: 17px; font-weight: 600; font-variant-numeric: tabular-nums; }
.gauges small { color: var(--quiet); font-weight: 400; font-size: 12px; }
.language, .accounts a { color: var(--quiet); text-decoration: none; border: 1px solid var(--line); border-radius: 999px; padding: 4px 12px; font-size: 13px; }
.language:hover, .accounts a:hover, .accounts a[aria-current] { color: var(--in); border-color: var(--in); }
.accounts { display: flex; flex-wrap: wrap; gap: 6px; }
#trouble { margin: 0; padding: 8px 28px; background: var(--bad-soft); color: var(--bad); }
main { max-width: 1500px; margin: 0 auto; padding: 22px 28px 40px; display: grid; gap: 20px; }
#managers { display: grid; grid-template-columns: repeat(auto-fit, minmax(280px, 1fr)); gap: 16px; align-items: stretch; }
.manager, .panel { background: var(--panel); border: 1px solid var(--line); border-radius: 14px; box-shadow: var(--shadow); }
.manager { padding: 14px; min-height: 236px; display: flex; flex-direction: column; gap: 12px; transition: border-color 0.3s; }
.manager.called { border-color: var(--in); }
.who { display: flex; align-items: center; gap: 11px; }
.avatar { width: 38px; height: 38px; border-radius: 50%; display: grid; place-items: center; background: var(--in-soft); color: var(--in); font-weight: 600; font-size: 14px; }
.names { display: grid; margin-right: auto; line-height: 1.25; }
.status { font-size: 12.5px; color: var(--quiet); }
.status::before { content: ''; display: inline-block; width: 7px; height: 7px; border-radius: 50%; margin-right: 6px; background: var(--missed); vertical-align: 1px; }
.status[data-status='free']::before { background: var(--good); }
.status[data-status='offline']::before { background: var(--quiet); }
.code { font-variant-numeric: tabular-nums; font-weight: 600; font-size: 13px; border: 1px solid var(--line); border-radius: 8px; padding: 2px 9px; }
.popups { display: grid; gap: 8px; }
.idle { margin: auto; color: var(--quiet); font-size: 13px; opacity: 0.75; }
.more { margin: 0; text-align: right; color: var(--quiet); font-size: 12.5px; }
.more:empty { display: none; }
.popups:not(:empty) + .idle { display: none; }
.popup { --tone: var(--in); --soft: var(--in-soft); padding: 10px 12px; border-radius: 10px; background: var(--soft); border-left: 4px solid var(--tone); transition: background 0.3s, opacity 0.6s; }
.popup.out { --tone: var(--out); --soft: var(--out-soft); }
.popup.closed { --tone: var(--missed); --soft: var(--missed-soft); }
.popup.closed[data-kind='good'] { --tone: var(--good); --soft: var(--good-soft); }
.popup.closed[data-kind='bad'] { --tone: var(--bad); --soft: var(--bad-soft); }
.popup.leaving { opacity: 0; }
.line { display: flex; align-items: baseline; gap: 8px; }
.line strong { margin-right: auto; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.line.small { justify-content: space-between; font-size: 12.5px; color: var(--quiet); margin-top: 2px; flex-wrap: wrap; gap: 0 8px; }
.phone, .did, .elapsed, .phones, .number, .time { font-variant-numeric: tabular-nums; }
.elapsed { color: var(--tone); font-weight: 600; }
.ending { color: var(--tone); font-size: 12.5px; font-weight: 600; }
.ending:empty { display: none; }
.arrow { font-weight: 700; color: var(--in); }
.arrow.out { color: var(--out); }
.lists { display: grid; grid-template-columns: minmax(0, 3fr) minmax(260px, 1fr); gap: 20px; align-items: start; }
.panel { padding: 6px 0 10px; overflow: hidden; }
h2 { font-size: 15px; margin: 10px 18px; display: flex; align-items: center; gap: 8px; }
.count { font-size: 12px; font-weight: 600; color: var(--quiet); background: var(--ground); border-radius: 999px; padding: 1px 9px; }
.scroll { overflow-x: auto; }
table { width: 100%; border-collapse: collapse; font-size: 14px; }
th { text-align: left; font-weight: 500; font-size: 12px; color: var(--quiet); padding: 6px 10px; border-bottom: 1px solid var(--line); white-space: nowrap; }
td { padding: 8px 10px; border-bottom: 1px solid var(--line); vertical-align: middle; white-space: nowrap; }
th:first-child, td:first-child { padding-left: 18px; }
th:last-child, td:last-child { padding-right: 18px; }
tbody tr:last-child td { border-bottom: 0; }
td.customer span { display: block; }
td.customer small { color: var(--quiet); font-variant-numeric: tabular-nums; }
td.unknown span { color: var(--quiet); }
th:nth-child(6), th:nth-child(7), .number { text-align: right; }
.result { border-radius: 999px; padding: 2px 10px; font-size: 12.5px; font-weight: 600; background: var(--missed-soft); color: var(--missed); }
.result.good { background: var(--good-soft); color: var(--good); }
.result.bad { background: var(--bad-soft); color: var(--bad); }
td a { color: var(--in); }
.empty { color: var(--quiet); text-align: center; padding: 22px; margin: 0; }
#customers { list-style: none; margin: 0; padding: 0 18px; max-height: 640px; overflow-y: auto; }
#customers li { display: grid; grid-template-columns: 1fr auto; gap: 0 8px; padding: 8px 0; border-bottom: 1px solid var(--line); font-size: 14px; }
#customers li:last-child { border-bottom: 0; }
#customers .phones { grid-column: 1; color: var(--quiet); font-size: 12.5px; }
#customers small { grid-column: 2; color: var(--quiet); font-size: 12px; text-align: right; }
.vip { font-size: 11px; font-weight: 700; color: var(--out); }
@media (max-width: 900px) { .lists { grid-template-columns: 1fr; } header, main { padding-left: 16px; padding-right: 16px; } }
@media (prefers-reduced-motion: no-preference) {
  .popup { animation: rise 0.25s ease-out; }
  .popup.in:not(.closed) .arrow, .popup.out:not(.closed) .arrow { animation: ring 1s ease-in-out infinite; }
  tr.fresh td { animation: fresh 2.5s ease-out; }
  @keyframes rise { from { opacity: 0; transform: translateY(-6px); } }
  @keyframes ring { 50% { opacity: 0.35; } }
  @keyframes fresh { from { background: var(--in-soft); } }
}
`;
