// No signals: SeriatimSystem.h includes this for its C side alone.
