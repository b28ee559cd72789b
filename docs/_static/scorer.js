// Ranks what a search finds: guides that have the words in a heading, background pages that have, names that were asked
// for, guides that have the words in their text, the rest of the reference. Sphinx's own goes by the kind of match alone.
var Scorer = {
  score: ([docname, title, anchor, descr, score, filename, kind]) => {
    if (docname.startsWith("api/") || docname === "index") return score;
    const background = ["how-it-works", "performance", "accuracy"].includes(docname);
    return score + (score >= Scorer.partialTitle ? 200 : 50) - (background ? 45 : 0);
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
