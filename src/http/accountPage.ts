/** The two things of ours people see inside RetailCRM: the module's logo and the page behind its settings link. */

/** Our mark: a handset over a speech bubble. */
export const logo =
  '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 64 64" width="64" height="64" role="img" aria-label="Asterisk">' +
  '<rect width="64" height="64" rx="14" fill="#1f3a5f"/>' +
  '<path d="M14 16h36a4 4 0 0 1 4 4v20a4 4 0 0 1-4 4H30l-9 9v-9h-7a4 4 0 0 1-4-4V20a4 4 0 0 1 4-4z" fill="#fff"/>' +
  '<path d="M21 25c0-2 2-4 4-4l3 5-2 3c1 3 3 5 6 6l3-2 5 3c0 2-2 4-4 4-8 0-15-7-15-15z" fill="#e8743b"/>' +
  '</svg>\n';

/** A short page, in the two languages of our operators: that the module works, and where it is set up. */
export function accountPage(enterprise: string): string {
  const name = escaped(enterprise);
  return `<!doctype html>
<html lang="ru">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta name="robots" content="noindex">
<title>Asterisk · ${name}</title>
</head>
<body>
<h1>Asterisk · ${name}</h1>
<p>Телефония подключена. Настройки хранятся в файле предприятия на сервере телефонии; добавочные номера
сотрудников можно менять в карточках пользователей.</p>
<p lang="en">Telephony is connected. Its settings are in the enterprise’s file on the telephony server; the employees’
extensions may be changed on the users’ cards.</p>
</body>
</html>
`;
}

function escaped(text: string): string {
  return text.replace(/[&<>"']/g, (sign) => `&#${sign.charCodeAt(0)};`);
}
