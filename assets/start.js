// Starts the application. A file of its own because the content security policy refuses inline scripts.
const theme = (() => { try { return localStorage.getItem('theme'); } catch { return null; } })()
  ?? (matchMedia('(prefers-color-scheme: light)').matches ? 'light' : 'dark');
document.documentElement.dataset.theme = theme;
// The base is relative to the address, and moves with it: made absolute, it stays where the page was loaded.
const base = document.querySelector('base');
base.href = base.href;
const at = id => document.getElementById(id).href;
try {
  const glue = await import(at('glue'));
  await glue.default({ module_or_path: at('wasm') });
} catch (error) {
  const page = document.querySelector('.page p');
  if (page) page.textContent = `Taffrail could not start: ${error.message ?? error}. Reload the page; if it stays, the browser may be too old or something on the way changes files.`;
  throw error;
}
