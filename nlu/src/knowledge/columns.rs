//! What an entry consists of, under the names that files may give it.

/// A part of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Column {
    /// 编号.
    Id,
    /// 标题.
    Title,
    /// 问法.
    Questions,
    /// 答案.
    Answer,
    /// 来源.
    Source,
    /// 生效日期.
    ValidFrom,
    /// 失效日期.
    ValidTo,
    /// 责任单位.
    Unit,
    /// 标签.
    Tags,
}

impl Column {
    /// Every column.
    pub const ALL: [Self; 9] = [
        Self::Id,
        Self::Title,
        Self::Questions,
        Self::Answer,
        Self::Source,
        Self::ValidFrom,
        Self::ValidTo,
        Self::Unit,
        Self::Tags,
    ];

    /// The names that it may have in a file; the first is the program's own.
    pub const fn names(self) -> &'static [&'static str] {
        match self {
            Self::Id => &["id", "编号", "条目编号", "知识编号"],
            Self::Title => &["title", "标题", "知识标题", "问题", "标准问题", "标准问"],
            Self::Questions => &["questions", "问法", "相似问法", "相似问", "相似问题", "扩展问"],
            Self::Answer => &["answer", "答案", "答复", "回答", "内容", "知识内容"],
            Self::Source => &["source", "来源", "出处", "依据", "政策依据", "文件依据"],
            Self::ValidFrom => &["valid_from", "生效日期", "有效期起", "起始日期", "生效时间"],
            Self::ValidTo => &["valid_to", "失效日期", "有效期止", "截止日期", "失效时间"],
            Self::Unit => &["unit", "单位", "责任单位", "承办单位", "主管部门", "部门"],
            Self::Tags => &["tags", "标签", "关键词"],
        }
    }

    /// The program's own name.
    pub const fn as_str(self) -> &'static str {
        self.names()[0]
    }

    /// The column of that name, in small or capital letters.
    pub fn from_name(name: &str) -> Option<Self> {
        let name = name.trim().to_ascii_lowercase();
        Self::ALL.into_iter().find(|column| column.names().contains(&name.as_str()))
    }
}
