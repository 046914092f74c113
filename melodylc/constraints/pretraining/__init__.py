"""What a critic learns before it hears of any rule: to read the field's statistics off melodies, spoilt ones too."""
