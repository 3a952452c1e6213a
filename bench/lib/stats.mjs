export function quantile(samples, q) {
  const sorted = Float64Array.from(samples).toSorted()
  if (sorted.length === 0) return Number.NaN
  const at = (sorted.length - 1) * q
  const below = Math.floor(at)
  const above = Math.min(below + 1, sorted.length - 1)
  return sorted[below] + (sorted[above] - sorted[below]) * (at - below)
}

export const median = (samples) => quantile(samples, 0.5)

// One figure of one competitor: the median over the rounds, and how far the rounds lie apart.
export const spread = (samples) => ({
  median: median(samples),
  min: Math.min(...samples),
  max: Math.max(...samples),
  rounds: samples.length,
})

export function shuffled(items) {
  const order = [...items]
  for (let i = order.length - 1; i > 0; i -= 1) {
    const j = Math.floor(Math.random() * (i + 1))
    ;[order[i], order[j]] = [order[j], order[i]]
  }
  return order
}
