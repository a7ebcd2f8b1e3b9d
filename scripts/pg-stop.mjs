// globalTeardown of the `store` tests.
export default async function stop() {
  await globalThis.__stopTestDatabase?.();
}
