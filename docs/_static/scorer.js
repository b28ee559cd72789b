// Ranks what a search finds: guides that have the words in a heading, then the names that were asked for, then guides
// that have the words in their text, then the rest of the reference. Sphinx's own ranks every match alike by kind.
var Scorer = {
  score: ([docname, title, anchor, descr, score, filename, kind]) => {
    if (docname.startsWith("api/") || docname === "index") return score;
    return score + (score >= Scorer.partialTitle ? 200 : 50);
  },
  objNameMatch: 100,
  objPartialMatch: 6,
  objPrio: { 0: 15, 1: 5, 2: -5 },
  objPrioDefault: 0,
  title: 15,
  partialTitle: 7,
  term: 5,
  partialTerm: 2,
};
