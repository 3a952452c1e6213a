const STEPS_PER_LOOK = 8 // at the clock

// Microseconds of a step, repeated for so long.
export function timeSync(step, milliseconds) {
  const startedAt = performance.now()
  let count = 0
  let elapsed = 0
  while (elapsed < milliseconds) {
    for (let i = 0; i < STEPS_PER_LOOK; i += 1) step()
    count += STEPS_PER_LOOK
    elapsed = performance.now() - startedAt
  }
  return (elapsed / count) * 1000
}

// The same of one that is waited for.
export async function timeAsync(step, milliseconds) {
  const startedAt = performance.now()
  let count = 0
  let elapsed = 0
  while (elapsed < milliseconds) {
    for (let i = 0; i < STEPS_PER_LOOK; i += 1) await step()
    count += STEPS_PER_LOOK
    elapsed = performance.now() - startedAt
  }
  return (elapsed / count) * 1000
}
