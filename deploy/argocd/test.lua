-- lua5.4 deploy/argocd/test.lua FILE: what health.lua says about resources.
local check = assert(loadfile(arg[1]))
local function condition(kind, status, generation)
  return {type = kind, status = status, message = kind .. " " .. status, observedGeneration = generation}
end
local rows = {
  {"a new resource", {metadata = {generation = 1}}, "Progressing"},
  {"a ready one", {metadata = {generation = 1}, status = {conditions = {condition("Ready", "True", 1)}}}, "Healthy"},
  {"one that is not", {metadata = {generation = 1}, status = {conditions = {condition("Ready", "False", 1)}}}, "Progressing"},
  {"ready for an older spec", {metadata = {generation = 2}, status = {conditions = {condition("Ready", "True", 1)}}}, "Progressing"},
  {"stalled", {metadata = {generation = 1}, status = {conditions = {condition("Ready", "False", 1), condition("Stalled", "True", 1)}}}, "Degraded"},
  {"stalled before the last edit", {metadata = {generation = 2}, status = {conditions = {condition("Stalled", "True", 1)}}}, "Progressing"},
  {"being deleted", {metadata = {generation = 1, deletionTimestamp = "now"}, status = {conditions = {condition("Ready", "True", 1)}}}, "Progressing"},
  {"paused", {metadata = {generation = 1, annotations = {["cooper.dev/paused"] = "true"}}, status = {conditions = {condition("Ready", "True", 1)}}}, "Suspended"},
}
for _, row in ipairs(rows) do
  obj = row[2]
  local said = check()
  assert(said.status == row[3] and said.message, row[1] .. ": " .. tostring(said.status))
end
