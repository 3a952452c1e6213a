export function payload() {
  return (value) => JSON.stringify(value)
}
