import js from '@eslint/js';

const node = { console: 'readonly', process: 'readonly', URL: 'readonly', Buffer: 'readonly', fetch: 'readonly', setTimeout: 'readonly', clearTimeout: 'readonly', AbortSignal: 'readonly' };
const browser = { document: 'readonly', window: 'readonly', location: 'readonly', getComputedStyle: 'readonly', localStorage: 'readonly', sessionStorage: 'readonly', performance: 'readonly', requestAnimationFrame: 'readonly', WebSocket: 'readonly', DataTransfer: 'readonly', File: 'readonly' };

export default [
  { ignores: ['node_modules', 'test-results', 'shots'] },
  js.configs.recommended,
  { languageOptions: { globals: { ...node, ...browser } }, rules: { 'no-unused-vars': ['error', { argsIgnorePattern: '^_' }], eqeqeq: 'error', 'prefer-const': 'error' } },
];
