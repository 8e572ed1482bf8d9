// Starts the application. A file of its own because the content security policy refuses inline scripts.
const theme = (() => { try { return localStorage.getItem('theme'); } catch { return null; } })()
  ?? (matchMedia('(prefers-color-scheme: light)').matches ? 'light' : 'dark');
document.documentElement.dataset.theme = theme;
// The base is relative to the address, and moves with it: made absolute, it stays where the page was loaded.
const base = document.querySelector('base');
base.href = base.href;
const at = id => document.getElementById(id).href;
// Few need the reader of kubeconfigs, so it is loaded when it is first called. Browsers remember a module that could not
// be loaded by its address: the fragment makes it another one for the next try, and the same one for every cache.
let reader, tries = 0;
const late = () => new Promise((_, give) => setTimeout(() => give(new Error('nothing came within 20 s')), 20_000));
globalThis.kubeconfig = async (call, text) => {
  reader ??= import(new URL(`{{reader-glue}}#${tries++}`, import.meta.url)).then(async glue => {
    await glue.default({ module_or_path: new URL('{{reader-wasm}}', import.meta.url) });
    return glue;
  });
  try {
    return (await Promise.race([reader, late()]))[call](text);
  } catch (error) {
    reader = undefined;
    throw error;
  }
};
// Nor do many need another language than the module's own. One that can't be loaded leaves that one.
const language = (() => { try { return localStorage.getItem('language'); } catch { return null; } })() ?? navigator.language;
const words = language?.startsWith('zh') ? fetch(new URL('{{words}}', import.meta.url)).then(answer => (answer.ok ? answer.text() : ''), () => '') : '';
try {
  const glue = await import(at('glue'));
  globalThis.words = await words;
  await glue.default({ module_or_path: at('wasm') });
} catch (error) {
  const page = document.querySelector('.page p');
  if (page) page.textContent = `Taffrail could not start: ${error.message ?? error}. Reload the page; if it stays, the browser may be too old or something on the way changes files.`;
  throw error;
}
