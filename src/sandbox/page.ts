/** The page at `/`: what a manager of the shop would see. Server-side HTML, one script, one stylesheet, nothing from elsewhere. */

import type { Incoming } from './api.ts';
import { parseFields, textOf } from './fields.ts';
import { PAGE_SCRIPT } from './page-script.ts';
import { PAGE_STYLE } from './page-style.ts';
import { type Language, WORDS } from './page-words.ts';
import type { Reply } from './reply.ts';
import type { World } from './world.ts';

const HEADERS = {
  'content-security-policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'",
  'x-content-type-options': 'nosniff',
  'cache-control': 'no-store',
};

/** The page, its script or its stylesheet; undefined for any other path. */
export function answerPage(world: World, incoming: Incoming): Reply | undefined {
  if (incoming.method !== 'GET' && incoming.method !== 'HEAD') return undefined;
  if (incoming.path === '/page.js') return asset('text/javascript', PAGE_SCRIPT);
  if (incoming.path === '/page.css') return asset('text/css', PAGE_STYLE);
  if (incoming.path !== '/') return undefined;
  const query = parseFields(incoming.rawQuery);
  const language = textOf(query, 'lang') === 'ru' ? 'ru' : 'en';
  const wanted = textOf(query, 'account') ?? '';
  const names = [...world.accounts.keys()];
  return asset('text/html', html(language, world.accounts.has(wanted) ? wanted : (names[0] ?? ''), names));
}

function asset(type: string, body: string): Reply {
  return { status: 200, type: `${type}; charset=utf-8`, body, headers: HEADERS };
}

function html(language: Language, account: string, names: readonly string[]): string {
  const words = WORDS[language];
  const other = language === 'ru' ? 'en' : 'ru';
  const link = (name: string, lang: Language): string => `/?account=${encodeURIComponent(name)}&amp;lang=${lang}`;
  const tabs =
    names.length < 2
      ? ''
      : `<nav class="accounts">${names.map((name) => `<a href="${link(name, language)}"${name === account ? ' aria-current="page"' : ''}>${escape(name)}</a>`).join('')}</nav>`;
  const columns = [
    words.time,
    words.direction,
    words.customer,
    words.manager,
    words.result,
    words.wait,
    words.talk,
    words.recording,
  ];
  return `<!doctype html>
<html lang="${language}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escape(words.title)}</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/page.css">
</head>
<body data-account="${escape(account)}">
<header>
  <div class="brand"><span class="mark" aria-hidden="true"></span><div><h1>${escape(words.title)}</h1><p>${escape(words.subtitle)}</p></div></div>
  ${tabs}
  <dl class="gauges">
    <div><dt>${escape(words.requests)}</dt><dd id="requests">0</dd></div>
    <div title="${escape(words.peakHint)}"><dt>${escape(words.telephony)}</dt><dd><b id="peak-telephony">0</b><small>/40</small></dd></div>
    <div title="${escape(words.peakHint)}"><dt>${escape(words.general)}</dt><dd><b id="peak-general">0</b><small>/10</small></dd></div>
    <div><dt>${escape(words.refused)}</dt><dd id="refused">0</dd></div>
  </dl>
  <a class="language" href="${link(account, other)}" hreflang="${other}">${other === 'ru' ? 'Русский' : 'English'}</a>
</header>
<p id="trouble" hidden>${escape(words.trouble)}</p>
<main>
  <section id="managers" aria-label="${escape(words.managers)}" aria-live="polite"></section>
  <div class="lists">
    <section class="panel calls">
      <h2>${escape(words.calls)} <span class="count" id="call-count">0</span></h2>
      <div class="scroll"><table>
        <thead><tr>${columns.map((column) => `<th scope="col">${escape(column)}</th>`).join('')}</tr></thead>
        <tbody id="calls"></tbody>
      </table></div>
      <p class="empty" id="no-calls">${escape(words.noCalls)}</p>
    </section>
    <section class="panel customers">
      <h2>${escape(words.customers)} <span class="count" id="customer-count">0</span></h2>
      <ul id="customers"></ul>
    </section>
  </div>
</main>
<noscript>${escape(words.noScript)}</noscript>
<script type="application/json" id="words">${JSON.stringify(words).replaceAll('<', '\\u003c')}</script>
<script src="/page.js" defer></script>
</body>
</html>
`;
}

function escape(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
}
