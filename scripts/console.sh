#!/usr/bin/env bash
# Checks the console where Node.js is: types, unit tests, and that console/dist is what its sources build.
# Without Node.js there is nothing to check: console/dist is what goes into the program.
set -euo pipefail
cd "$(dirname "$0")/../console"

suits='const [major, minor] = process.versions.node.split(".").map(Number);
  process.exit(major > 22 || (major === 22 && minor >= 12) || (major === 20 && minor >= 19) ? 0 : 1)'
if ! node --eval "$suits" 2>/dev/null; then
  echo "Console: not checked, that needs Node.js 20.19 or 22.12"
  exit 0
fi
# Again only when what is wanted changed.
if ! cmp -s package-lock.json node_modules/.qingting-lock; then
  npm ci --no-audit --no-fund --loglevel=error
  cp package-lock.json node_modules/.qingting-lock
fi
npx openapi-typescript ../docs/openapi.json --output node_modules/.schema.d.ts >/dev/null 2>&1
cmp node_modules/.schema.d.ts ../clients/typescript/schema.d.ts || {
  echo "clients/typescript/schema.d.ts is not what docs/openapi.json says: npm run types" >&2
  exit 1
}
npm run --silent check
npm run --silent test
npx vite build --logLevel error --outDir node_modules/.built
diff --recursive --brief dist node_modules/.built || {
  echo "console/dist is not what its sources build: npm run build in console/, and commit it" >&2
  exit 1
}
echo "Console: types, unit tests and console/dist are as they should be"
